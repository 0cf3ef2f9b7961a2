"""What a model becomes when it leaves training.

`preprocessing` turns what a client sends into what the model sees, without TensorFlow, and is written down in
`preprocessing.json` (one Python implementation here, one in JavaScript, held together by golden vectors); `formats`
writes SavedModel and LiteRT and checks that they answer like Keras.
Does not live here: serving (`serving/`), measuring (`ml.evaluation`).
Start reading: `preprocessing`.
"""
