# %% [markdown]
# # Judged
#
# Does the image do what was asked? Who guided a model may not say so: a guide sees what it taught. So another network
# is trained to outline the cavity; a few seconds are enough on phantoms.

# %%
import causalimg as ci

heart = ci.phantoms.Heart(size=64)
train, test = heart.sample(160, seed=11), heart.sample(32, seed=12)
judge = ci.Segmentor.unet(structures=("lv",), width=8, seed=5)
judge.fit(train.values["x"], {"lv": train.masks["lv"]}, recipe=ci.Recipe(steps=140, batch=8, lr=0.01), seed=5)
print(judge.report())

# %% [markdown]
# Each test patient is asked for the area of another one. A report begins with its verdict: a sentence for each thing
# that may be wrong, with its mark: good, not good, or can't tell, where the limit lies within the interval of so few
# patients.

# %%
model = ci.pretrained("heart")
report = ci.evaluate(model, test, [judge], phantom=heart)
for finding in report.verdict:
    print(f"{finding.mark}: {finding.text}\n")

# %% [markdown]
# The pictures of a report are the first items as they were drawn, with the judge's outlines, and of a phantom the
# truth. `report.write("judged")` puts all of it on one page, `judged/report.html`.

# %%
report.examples["lv_area"].draw()

# %% [markdown]
# Readings over targets: the same patients asked for more and more. A model that ignores the question has a flat line.

# %%
report.figures()["dose_response_lv_area.png"]

# %% [markdown]
# [Judging](../judging.md) has the limits, and what the numbers hide.
