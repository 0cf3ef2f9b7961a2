"""Generate, stream and embed. https://cloud.google.com/vertex-ai/generative-ai/docs/start/quickstart"""

import os
import sys

from google import genai

generation, embedding = sys.argv[2:]
client = genai.Client(vertexai=True, project=os.environ["GOOGLE_CLOUD_PROJECT"], location="global")
config = {"response_mime_type": "text/x.enum", "response_schema": {"type": "STRING", "enum": ["positive", "negative"]}, "temperature": 0}
print(client.models.generate_content(model=generation, contents="What a wonderful film!", config=config).text)
stream = client.models.generate_content_stream(model=generation, contents="A terrible, boring film.", config=config)
print("".join(chunk.text or "" for chunk in stream))
[vector] = client.models.embed_content(model=embedding, contents="film", config={"output_dimensionality": 128}).embeddings
print(len(vector.values))
