"""Write entries and read them. https://cloud.google.com/logging/docs/write-query-log-entries-python"""

import sys
import time

from google.cloud import logging

client = logging.Client()
logger = client.logger(f"{sys.argv[1]}-log")
logger.log_text("Hello, world!")
logger.log_text("Goodbye, world!", severity="WARNING")
for _ in range(60):
    entries = [entry for entry in logger.list_entries() if isinstance(entry.payload, str)]
    if len(entries) == 2:
        break
    time.sleep(1)
for entry in entries:
    print(entry.severity, entry.payload)
logger.delete()
