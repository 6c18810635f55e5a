from tests.inference.conftest import model_dir, publish, serve

__all__ = ["model_dir", "publish", "serve"]
