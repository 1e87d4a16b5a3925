# %% [markdown]
# # How sure an answer is
#
# Had these two patients been women, which disease would they have had? The data leave that open, and with it the size
# of the ventricle and the image. `particles` asks several draws of what is left open.

# %%
import causalimg as ci

model = ci.pretrained("cardiac")
hearts = {name: values[[4, 9]] for name, values in model.sample(24, seed=1).items()}
cf = model.do(hearts, sex="Female", particles=8)
cf.plot()

# %% [markdown]
# The answer is the mean of the draws. Beside it stands the spread, pixel by pixel: where the draws differ, the answer
# is not known. The draws of the disease, by patient, and between which values nine in ten of the areas lie:

# %%
levels = model.graph["pathology"].levels
for draws in cf.draws["pathology"].tolist():
    print(", ".join(levels[draw] for draw in draws))
low, high = cf.interval("lv_area")
for at in range(2):
    print(f"patient {at + 1}: {low[at]:.3f} to {high[at]:.3f} of the image")

# %% [markdown]
# Draws hold what one model leaves open. What training left open needs more models: an ensemble of fits with other
# seeds. Here two small ones, of a few seconds each, that have learnt little, and differ.

# %%
heart = ci.phantoms.Heart(size=32)
train, patients = heart.sample(100, seed=3), heart.sample(2, seed=8)
quick = {name: ci.Recipe(steps=20, batch=16) for name in heart.graph}
models = [ci.compile(heart.graph, x=ci.HVAE(widths=(8, 16), latents=(0, 8)), seed=seed) for seed in range(2)]
for seed, one in enumerate(models):
    one.fit(train.values, seed=seed, **quick)
answer = ci.Ensemble(models).do(patients.values, age=ci.shift(-10), particles=4)
before, spread = patients.values["lv_area"], answer.spread["lv_area"]
for was, area, unsure in zip(before, answer["lv_area"], spread, strict=True):
    print(f"lv_area was {was:.0f} mm2; ten years younger, {area:.0f} ± {unsure:.1f} mm2")

# %% [markdown]
# [Uncertainty](../uncertainty.md) says which doubts these are, which they are not, and how intervals are made that
# hold.
