"""Load a few rows and ask about them. https://cloud.google.com/bigquery/docs/quickstarts/quickstart-client-libraries"""

import sys

from google.cloud import bigquery

client = bigquery.Client()
dataset = client.create_dataset(f"{sys.argv[1]}_quickstart")
rows = [{"word": "brave", "n": 6}, {"word": "new", "n": 2}, {"word": "brave", "n": 1}]
client.load_table_from_json(rows, f"{dataset.dataset_id}.words").result()
query = f"SELECT word, SUM(n) AS total FROM {dataset.dataset_id}.words GROUP BY word ORDER BY total DESC"
for row in client.query(query).result():
    print(f"{row.word}: {row.total}")
client.delete_dataset(dataset, delete_contents=True)
