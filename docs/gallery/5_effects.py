# %% [markdown]
# # Which way an effect takes
#
# Sex acts on a heart's image directly, and through the areas of cavity and wall. `effects` splits what `do` answers:
# *direct*, the areas stay as they were; *indirect*, they become what they would have been, but sex itself counts as
# it was; *total*, both.

# %%
import causalimg as ci

heart = ci.phantoms.Heart(size=64)
model = ci.pretrained("heart")
women = heart.sample(24, seed=7)
women = women.rows((women.values["sex"] == 0).nonzero()[:2, 0]).values
ways = model.effects(women, sex="male")
ways.plot()

# %% [markdown]
# Nearly all of it goes through the areas: men's hearts are larger. The direct effect is faint. Sex is
# measured nowhere, so that all of the image may change; the body around the heart stretches along.

# %%
for way, effect in ways.of("lv_area").items():
    print(f"{way}: lv_area", *(f"{one:+.0f} mm2" for one in effect))
for way, effect in ways.of("x").items():
    print(f"{way}: the image changes by {255 * effect.abs().mean():.2f} grey levels")

# %% [markdown]
# On `lv_area` all of the effect is direct: nothing lies between it and sex. Where age is set instead, there is no
# edge from age to the image, and no direct effect on it at all:

# %%
model.effects(women, age=ci.shift(5)).of("x")["direct"].abs().max().item()
