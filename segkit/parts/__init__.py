"""Built-in parts, a folder for each kind.

Every public file of a folder is loaded and registers its parts; no list names them. A file `x.py` declares
parts and their options; `_x.py` beside it has the code that needs torch, timm or albumentations.
"""
