# %% [markdown]
# # A first counterfactual
#
# A heart, and the same heart had its left ventricle been smaller. The model is shipped with the library, and the
# hearts are phantoms: rendered from a known causal model, so that the image that would really have been is known,
# too.

# %%
import causalimg as ci

heart = ci.phantoms.Heart(size=64)
model = ci.pretrained("heart")
model.graph

# %% [markdown]
# What causes what, drawn. A dashed arrow is a measurement: `lv_area` causes the image, and is read off it.

# %%
from causalimg.viz import draw_graph

draw_graph(heart.graph)

# %% [markdown]
# Three patients, and the question. `"60%"` is of each patient's own area; a number would be in mm².

# %%
patients = heart.sample(3, seed=12)
cf = model.do(patients.values, lv_area="60%")
cf.plot()

# %% [markdown]
# Solid outlines are those of the image as it was, dashed ones those of the answer. The difference is where it should
# be: the cavity closes (blue became darker), the wall follows, and the rest of the image stays as it is. What was
# asked for, beside what is measured on the answers:

# %%
for asked, measured in zip(cf["lv_area"], cf.measured["lv_area"], strict=True):
    print(f"asked for {asked:.0f} mm2, measured {measured:.0f} mm2")

# %% [markdown]
# The caption says that the segmentor that measures is the guide that taught this model. It sees what it taught; [who
# judges](6_judged.py) should be somebody else.
#
# Of a phantom the truth is known. Over the image, in grey levels of 255, how far is the answer from it, and how far
# is the image that nothing was asked of?

# %%
truth = heart.counterfactual(patients, {"lv_area": ci.scale(0.6)}).values["x"]
for who, images in (("the answer", cf["x"]), ("doing nothing", patients.values["x"])):
    print(f"{who}: {255 * (images - truth).abs().mean():.1f} grey levels")
