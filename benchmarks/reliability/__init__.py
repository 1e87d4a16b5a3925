"""How reliable the library is: what users get wrong, tried case by case, and what they then get.

python -m benchmarks.reliability --out docs/reliability.md
"""
