# %% [markdown]
# # Sweeps and grids
#
# Several values for one patient are as many questions. The image is encoded once.

# %%
import causalimg as ci

model = ci.pretrained("heart")
patient = ci.phantoms.Heart(size=64).sample(4, seed=7).rows([1]).values
cf = model.do(patient, lv_area=["60%", "80%", "100%", "120%"])
cf.plot(across="lv_area")

# %% [markdown]
# At 100 % nothing is asked, and the answer is the image itself, to the bit:

# %%
(cf["x"][2] == patient["x"][0]).all().item()

# %% [markdown]
# `ci.grid` makes every combination of several variables. Columns: the cavity grows; rows: the wall gets thicker.

# %%
cf = model.do(patient, **ci.grid(wall_area=["80%", "100%", "120%"], lv_area=["70%", "100%", "130%"]))
cf.plot(across="lv_area")

# %% [markdown]
# The numbers behind it, as a table (pandas): what was asked for, and what the model's segmentor measures on each
# answer.

# %%
frame = cf.to_frame()
frame[[("asked", "lv_area"), ("measured", "lv_area"), ("asked", "wall_area"), ("measured", "wall_area")]].round()
