# %% [markdown]
# # Where an image may change, and how strongly
#
# A flow draws the whole image anew for every question, and what goes with a small cavity in the data comes along,
# wherever it is. So an answer may change only near the structures that what was set is measured on, unless told
# otherwise.
#
# The model is of real cardiac MRI. No patient's image is shipped: these hearts were drawn by the model itself.

# %%
import causalimg as ci

model = ci.pretrained("cardiac")
hearts = {name: values[[15, 19]] for name, values in model.sample(24, seed=1).items()}
cf = model.do(hearts, lv_area="70%")
cf.plot()

# %% [markdown]
# The same where all of the image may change: the difference is everywhere, though nobody asked for it.

# %%
model.do(hearts, lv_area="70%", region=ci.Region(margin=1.0)).plot()

# %% [markdown]
# This flow was fitted by likelihood alone; nobody guided it, and here its answers are smaller than asked for. How
# strongly an image follows a cause is calibrated when a flow is fitted, and can be set: 0 is not at all.

# %%
print("asked for", *(f"{area:.3f}" for area in cf["lv_area"]))
print("as calibrated", *(f"{area:.3f}" for area in cf.measured["lv_area"]))
for weight in (0.0, 0.5, 1.0):
    weighted = model.do(hearts, lv_area="70%", weights={"lv_area": weight})
    print("weight", weight, *(f"{area:.3f}" for area in weighted.measured["lv_area"]))

# %% [markdown]
# Better than a weight for everybody is a guide for each answer: a segmentor pulls it nearer to what
# was asked while it comes about. Look at the second one: it reads better, and looks odd. What looks odd, a number hides.

# %%
segmentor = model.readers.by_variable["lv_area"]
guided = ci.Guided(model, segmentor).do(hearts, lv_area="70%")
guided.plot()
