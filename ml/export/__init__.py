"""What a model becomes when it leaves training.

`preprocessing` turns what a client sends into what the model sees, without TensorFlow (`pictures`: the arithmetic of
decoding and resizing); it is written down in `preprocessing.json` (`preprocessing.schema.json`). `golden` holds every
implementation to the same numbers; `formats` writes SavedModel and LiteRT and checks that they answer like Keras; `litert` runs the latter;
`embedding` reads the vectors of the last hidden layer; `tfjs` converts a SavedModel for Node and the browser.
Does not live here: serving (`serving/`), measuring (`ml.evaluation`).
Start reading: `preprocessing`.

The preprocessing contract, version 1: what an implementation in any language does, in this order.

Pictures (`image_classification`), from the encoded file, in base64 under `b64`, to float32 (size, size, channels):

1. Refuse what is no picture, is cut short, or claims more than 32,768 pixels along a side or 50,000,000 in all, the last
   two before decoding. Of an animation the first frame counts. Colour profiles and gamma are ignored.
2. Eight bits a sample. Grey of fewer bits is spread over 0 … 255 (four bits: × 17); grey of sixteen bits without alpha is
   divided by 257, rounded down; every other sample of sixteen bits keeps its high byte. Palettes become colour.
3. Transparency (alpha, or a transparent entry or colour) falls on white, and the picture becomes colour, grey ones too:
   (colour × alpha + 255 × (255 − alpha) + 127) div 255. Alpha must not have been multiplied in before, as a canvas does.
4. Turn it upright as Exif's orientation says.
5. `channels` 1: of colour take the luma, (19595 × red + 38470 × green + 7471 × blue + 32768) div 65536; grey stays.
   `channels` 3: grey is repeated.
6. Resize to size × size without keeping the proportions; a picture of that size stays as it is. First all columns (the
   height), then all rows, in doubles and without rounding between the two. Along an axis of `n` source pixels, with
   scale = n / size and reach = max(scale, 1), target pixel t has its centre at c = (t + ½) × scale; the source pixels from
   max(⌊c − reach⌋, 0) up to, not including, min(⌈c + reach⌉, n) weigh max(1 − |s + ½ − c| / reach, 0), divided by the sum
   of these weights, and rounded to ⌊w × 16384 + ½⌋ / 16384. The result is ⌊x + ½⌋, kept within 0 … 255. Sums of such
   products are exact in a double, so the order of additions is free.
7. Divide by 255 in float32.

Decoders of JPEG and WebP differ by a level here and there; PNG, and everything from step 2 on, is exact.

Texts (`text_classification`), from the string, or the string under `text`, to int32 (2 × length):

1. Refuse what is no string, or white space alone.
2. Lower case by Unicode's full, locale-independent mapping (Python `lower`, JavaScript `toLowerCase`); no normalisation.
3. Tokens are all matches of the language's pattern under `token`: runs of letters and numbers (Unicode categories L and
   N; marks and the underscore part words), each kana or Chinese character on its own, `!` and `?` each on its own.
4. The first `length` tokens count. Their ids fill the first half: 2 + the position in `vocabulary`, or 1 when it is not
   there; the rest is 0. A text without a token is 0 throughout.
5. The second half holds the ids of the pairs of neighbours among those tokens, joined by one space; a pair that is not in
   the vocabulary, and the rest, is 0.
"""
