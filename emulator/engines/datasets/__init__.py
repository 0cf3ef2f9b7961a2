"""Managed datasets of images and texts: what is imported, kept and exported.

* `formats` – the lines of files that are imported and exported. Start here.
* `items` – data items, annotations and their specifications in the store; imports and searches.
* `exports` – files of lines, by split.
"""
