"""Exit status 0 if every URL of the command line answers with 200: the images' health check."""

import sys
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

for url in sys.argv[1:]:
    try:
        with OPENER.open(url, timeout=3) as answer:
            answer.read()
    except OSError as error:
        sys.exit(f"{url}: {error}")
