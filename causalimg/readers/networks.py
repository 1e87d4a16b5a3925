"""The networks inside our readers: a U-Net for outlines, an encoder with a linear head for numbers and levels.

Encoders are those of segmentation-models-pytorch, with ``tu-`` in front those of timm, never pre-trained here, at half
of their usual depth... 
"""
