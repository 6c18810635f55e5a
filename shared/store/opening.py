"""Opening the store at MODEL_DIR, a folder or a bucket."""

from pathlib import Path

from shared.errors import RefusedError
from shared.settings import NewStore
from shared.store.storage import Storage

_SCHEMES = ("s3://", "gs://", "az://")


def open_storage(model_dir: str, new: NewStore = "make") -> Storage:
    """The store at MODEL_DIR: a folder (made if missing), or an `s3://`, `gs://`, `az://` address.

    new: NEW_STORE, of a folder: refuse makes none, and takes an empty one for a volume that is not mounted.

    Raises StoreError if the folder cannot be made or the address cannot be used.
    """
    if model_dir.startswith(_SCHEMES):
        from shared.store.bucket import ObjectStorage

        return ObjectStorage(model_dir)
    if "://" in model_dir:
        raise RefusedError(f"MODEL_DIR is {model_dir!r}, but must be a folder or start with {', '.join(_SCHEMES)}.")
    from shared.store.portable import PortableFolder, is_needed

    if is_needed():
        return PortableFolder(Path(model_dir), new=new)
    from shared.store.folder import FolderStorage

    return FolderStorage(Path(model_dir), new=new)
