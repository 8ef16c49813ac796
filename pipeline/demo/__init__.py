"""The page of `spine demo`: a picture is dropped, and what a model says of it is shown.

shown_run.py              a run or a case -> its model, and what can look into its classifiers
explain.py                where a grade or a box comes from: Grad-CAM or occlusion
uploads.py  examples.py   a file that was dropped -> pictures; a generated one
visit.py                  one visitor's pictures, the answer in view, and what is written of it
pictures.py  tables.py    what is shown: RGB arrays, HTML
page.py  look.py  launch.py   the page of Gradio, its colours, its server; Gradio is imported here alone
"""
