#!/usr/bin/env python3
"""Makes tokens.json: tokens of ElastiCache's IAM authentication for fixed
credentials and clocks, by the text of AWS Signature Version 4 alone. No SDK has a
part in them, and the tests do not run this; they compare with what it has written.

With botocore installed, it is checked that botocore signs the same."""
import hashlib
import hmac
import json
import pathlib
import urllib.parse

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CASES = [
    dict(name="a replication group, in lower case", cache="Photofinish", user="photofinish", region="eu-central-1", time="20260102T030405Z"),
    dict(name="serverless, with the credentials of a role", cache="cache-1", user="user", serverless=True, session="tok/en+=", region="eu-central-1", time="20260102T030405Z"),
    dict(name="another region, at the end of a day", cache="c", user="iam-user-01", session="IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==", region="us-gov-west-1", time="20271231T235959Z"),
]


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def token(case):
    host, day = case["cache"].lower(), case["time"][:8]
    scope = f"{day}/{case['region']}/elasticache/aws4_request"
    params = {
        "Action": "connect", "User": case["user"],
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"AKIDEXAMPLE/{scope}",
        "X-Amz-Date": case["time"], "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host",
    }
    if case.get("serverless"):
        params["ResourceType"] = "ServerlessCache"
    if case.get("session"):
        params["X-Amz-Security-Token"] = case["session"]
    query = "&".join(f"{quote(k)}={quote(v)}" for k, v in sorted(params.items()))
    request = "\n".join(["GET", "/", query, f"host:{host}", "", "host", hashlib.sha256(b"").hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", case["time"], scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"{host}/?{query}&X-Amz-Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def check(case):
    try:
        import datetime
        from botocore import auth, awsrequest, credentials
    except ImportError:
        return
    at = datetime.datetime.strptime(case["time"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    auth.get_current_datetime = lambda *_, **__: at.replace(tzinfo=None)
    params = {"Action": "connect", "User": case["user"]}
    if case.get("serverless"):
        params["ResourceType"] = "ServerlessCache"
    request = awsrequest.AWSRequest("GET", f"http://{case['cache'].lower()}/?{urllib.parse.urlencode(params)}")
    signer = auth.SigV4QueryAuth(credentials.Credentials("AKIDEXAMPLE", SECRET, case.get("session")), "elasticache", case["region"], expires=900)
    signer.add_auth(request)
    theirs = urllib.parse.parse_qs(urllib.parse.urlparse(request.url).query)
    ours = urllib.parse.parse_qs(case["token"].split("/?")[1])
    assert theirs == ours, (theirs, ours)
    print("botocore agrees:", case["name"])


for case in CASES:
    case["token"] = token(case)
    check(case)
out = pathlib.Path(__file__).with_name("tokens.json")
out.write_text(json.dumps(CASES, indent=2) + "\n")
