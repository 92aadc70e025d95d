"""What is finished, in a bucket of an S3-compatible server: loaded only where the settings name one.

place.py        where it is, and with which credentials
line.py         calls, each with a time limit; foreign errors end there
sending.py      a staged file on its way there, in one piece or in parts, each with its checksum
content.py      one that is read: what is asked of it, in one stream
folder.py       all of it as the store's folder
"""
