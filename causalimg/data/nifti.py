"""A NIfTI file (.nii, .nii.gz) as a volume. Its header is checked before its voxels are unpacked."""

from pathlib import Path
from typing import Any

import numpy as np

from causalimg.data.limits import Limits
from causalimg.data.volumes import INSTALL, Volume, check_voxels, turned
from causalimg.errors import imported

ENDINGS = (".nii", ".nii.gz")
TO_MM = {"unknown": 1.0, "mm": 1.0, "meter": 1e3, "micron": 1e-3}


def is_nifti(file: Path) -> bool:
    """Whether a file is called like one."""
    return file.name.lower().endswith(ENDINGS)


def read_nifti(file: Path, limits: Limits, labels: bool = False) -> Volume:
    """The voxels in `file`, scaled as its header says; `labels` that are whole floats become integers.

    Raises ValueError for what is no such file, is beyond `limits`, or has another number of axes than three.
    """
    nibabel = imported("nibabel", INSTALL)
    try:
        return _read(nibabel.load(file), limits, labels)
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError) as error:
        raise ValueError(f"it is no NIfTI file, or broken: {error}") from None
    except (KeyError, OverflowError, TypeError) as error:  # nibabel's, where a header is not what it should be
        raise ValueError(f"its header is broken: {error}") from None


def _read(image: Any, limits: Limits, labels: bool) -> Volume:
    shape = _three(image.shape)
    scaled = image.dataobj.slope != 1 or image.dataobj.inter != 0
    dtype = image.get_data_dtype()
    if dtype.fields:
        raise ValueError("its voxels are colours: save it as grey")
    check_voxels(shape, 8 if scaled else dtype.itemsize, limits)
    _check_sizes(image)
    voxels = np.asanyarray(image.dataobj).reshape(shape)
    if labels and voxels.dtype.kind == "f" and (voxels == np.round(voxels)).all():
        voxels = voxels.astype(np.int64)
    to_mm = np.diag([TO_MM[image.header.get_xyzt_units()[0]]] * 3 + [1.0])
    return turned(voxels, to_mm @ image.affine)


def _check_sizes(image: Any) -> None:
    """Raise ValueError where nothing says how large voxels are: nibabel takes a size of 0 for 1."""
    with image.file_map["image"].get_prepare_fileobj() as file:
        said = type(image.header).from_fileobj(file, check=False)
    if not said["sform_code"] and 0 in said["pixdim"][1 : 1 + min(3, len(image.shape))]:
        raise ValueError("its header doesn't say how large its voxels are")


def _three(shape: tuple[int, ...]) -> tuple[int, ...]:
    if 0 in shape or any(side != 1 for side in shape[3:]):
        raise ValueError(f"its shape is {shape}, expected one volume of three axes: save each as a file of its own")
    return (*shape, 1, 1)[:3]
