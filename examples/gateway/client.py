"""The gateway from another language: python3 client.py check | python3 client.py KEY SECRET JSON-FIELDS COMMAND ...

'check' makes every vector of vectors.json anew. Else one request goes to the standard input of COMMAND (such as
./dev example gateway pipe ADDRESS), and the answer comes from its standard output.
"""
import hashlib, hmac, json, os, subprocess, sys, time, uuid

def sign(secret, data):
    return hmac.new(secret, data, hashlib.sha256).hexdigest().encode()

def line(secret, text):  # what travels over keysock: the signature of exactly these bytes, a space, the bytes
    return sign(secret, text) + b" " + text + b"\n"

def record(secret, fields, widths):  # what travels over Kafka; fields without a width are as long as they are
    content = b"".join(value.encode().ljust(widths.get(name, 0)) for name, value in fields.items())
    return content + sign(secret, content)

if sys.argv[1] == "check":
    vectors = json.load(open(os.path.join(os.path.dirname(__file__), "vectors.json"), encoding="utf-8"))
    secret, widths = bytes.fromhex(vectors["secret"]), vectors["widths"]
    for vector in vectors["lines"]:
        assert line(secret, vector["json"].encode()).decode() == vector["line"], vector["name"]
    for vector in vectors["records"]:
        made = record(secret, vector["fields"], widths)
        assert made.decode() == vector["record"] and hashlib.sha256(made).hexdigest() == vector["id"], vector["name"]
    print(len(vectors["lines"]), "lines and", len(vectors["records"]), "records are right")
else:
    key, secret = sys.argv[1], bytes.fromhex(sys.argv[2])
    head = {"type": "request", "key": key, "timestamp": int(time.time() * 1000), "id": str(uuid.uuid4())}
    text = json.dumps({**head, **json.loads(sys.argv[3])}).encode()
    gateway = subprocess.Popen(sys.argv[4:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    gateway.stdin.write(line(secret, text)), gateway.stdin.flush()
    signature, answer = gateway.stdout.readline().rstrip(b"\n").split(b" ", 1)
    assert hmac.compare_digest(signature, sign(secret, answer)), "not signed by the gateway: " + answer.decode()
    assert json.loads(answer)["id"] == head["id"] and abs(json.loads(answer)["timestamp"] - time.time() * 1000) < 60_000
    print(answer.decode()), gateway.stdin.close()
