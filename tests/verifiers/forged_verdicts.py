"""Programs that are wrong on every test and say otherwise, by the trick each plays."""

PRELUDE = """
import json, os, sys
def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
def number():
    return next((f.f_locals["request"]["id"] for f in frames() if "request" in f.f_locals), "0" * 16)
def say(**message):
    os.write(4, json.dumps(message).encode() + b"\\n")
"""

FORGERIES = {
    "exits with success when loaded": "import os; os._exit(0)",
    "exits with success when called": "def add(a, b): import os; os._exit(0)",
    "leaves by SystemExit when called": "def add(a, b): raise SystemExit(0)",
    "leaves by SystemExit when loaded": "raise SystemExit(0)",
    "prints that it passes and exits": "def add(a, b): print('passed', flush=True); import os; os._exit(0)",
    "leaves by KeyboardInterrupt": "def add(a, b): raise KeyboardInterrupt",
    "leaves by GeneratorExit": "def add(a, b): raise GeneratorExit",
    "equals everything": """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def add(a, b): return Equal()
""",
    "is an int that equals everything": """
class Equal(int):
    def __eq__(self, other): return True
    def __hash__(self): return 3
    def __int__(self): return 3
    def __index__(self): return 3
    def __repr__(self): return "3"
def add(a, b): return Equal(-1)
""",
    "is text that equals everything": """
class Equal(str):
    def __eq__(self, other): return True
    def __hash__(self): return 3
    def __str__(self): return "3"
def add(a, b): return Equal("no")
""",
    "is a list that lies of its length and members": """
class Liar(list):
    def __eq__(self, other): return True
    def __len__(self): return 0
    def __iter__(self): return iter(())
def add(a, b): return Liar([a, b, a])
""",
    "is a dict that lies of its items": """
class Liar(dict):
    def __eq__(self, other): return True
    def items(self): return ()
def add(a, b): return Liar({a: b})
""",
    "has a type that claims to be int": """
class Meta(type):
    __mro__ = (int, object)
    def __instancecheck__(cls, other): return True
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(int)
class Fake(metaclass=Meta):
    __class__ = int
    def __eq__(self, other): return True
def add(a, b): return Fake()
""",
    "rewrites what its callers hold": PRELUDE
    + """
import ctypes
def add(a, b):
    for frame in frames():
        for name in frame.f_locals:
            if name in ("value", "expected", "result", "passed", "is_passed"):
                frame.f_locals[name] = True
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), 0)
    return True and "passed"
""",
    "searches memory for what is expected": """
import gc
def add(a, b):
    for each in gc.get_objects():
        if isinstance(each, dict):
            for name in ("expected", "result", "stdout", "code", "test"):
                if name in each: return each[name]
    return "nothing found"
""",
    "reads the number of its call and answers as a judge": PRELUDE
    + """
def add(a, b):
    say(id=number(), passed=True, verdict="pass")
    return -1
""",
    "answers its call twice": PRELUDE
    + """
def add(a, b):
    say(id=number(), value=-1)
    return -2
""",
    "answers with a value and an error at once": PRELUDE
    + """
def add(a, b):
    say(id=number(), value=-1, raised="", text="")
    os._exit(0)
""",
    "answers calls that were not made yet": PRELUDE
    + """
for i in range(50):
    say(id="%016x" % i, value=True)
    say(id="", value=True)
    say(value=True)
def add(a, b): return -1
""",
    "speaks as the judge speaks": PRELUDE
    + """
for i in range(9):
    say(**{"assert": i, "passed": True, "lines": [1, 1]})
say(end=0, error="")
def add(a, b):
    say(id=number(), end=0, error="")
    return -1
""",
    "takes the channel over": PRELUDE
    + """
with os.fdopen(3, "rb", buffering=0) as requests:
    say(id=number(), value=None)
    while True:
        request = json.loads(b"".join(iter(lambda: requests.read(1), b"\\n")))
        say(id=request["id"], value=True, passed=True)
""",
    "writes what is no JSON": "import os\ndef add(a, b): os.write(4, b'passed\\n' * 100); return -1",
    "writes bytes that are no text": "import os\ndef add(a, b): os.write(4, b'\\xff\\x00\\n'); return -1",
    "writes a line without end": "import os\nwhile True: os.write(4, b'1' * 65536)",
    "closes the channel": "import os\ndef add(a, b): os.close(3); os.close(4); return -1",
    "closes everything": "import os\nos.closerange(0, 64)\ndef add(a, b): return -1",
    "exchanges the ends of the channel": "import os\nos.dup2(4, 3)\ndef add(a, b): return -1",
    "speaks when all is over": PRELUDE
    + """
import atexit
atexit.register(lambda: say(id=number(), value=True))
def add(a, b): sys.exit(0)
""",
    "replaces built-in functions": """
import builtins
builtins.isinstance = builtins.all = builtins.any = builtins.bool = lambda *args: True
builtins.AssertionError = type("Never", (Exception,), {})
builtins.type = lambda *args: int
def add(a, b): return -1
""",
    "replaces json": """
import json
json.dumps = lambda *args, **kwargs: '{"id": "0", "value": true, "passed": true}'
json.loads = lambda *args, **kwargs: {"id": "0", "function": "add", "args": [], "kwargs": {}}
def add(*args): return -1
""",
    "replaces what encodes its values": """
import sys
for name, module in list(sys.modules.items()):
    if hasattr(module, "to_json"): module.to_json = lambda value: {"$any": True}
    if hasattr(module, "_answered"): module._answered = lambda *args: {"value": {"$equal": True}, "passed": True}
def add(a, b): return -1
""",
    "replaces its output": """
import io, sys
sys.stdout = sys.stderr = sys.__stdout__ = io.StringIO()
def add(a, b): print("ok"); return -1
""",
    "raises what asserts catch": """
class Passed(AssertionError):
    def __bool__(self): return True
    def __str__(self): return "passed"
Passed.__name__ = "passed"
def add(a, b): raise Passed("passed")
""",
    "raises what cannot be described": """
class Silent(BaseException):
    def __str__(self): raise self
    __repr__ = __str__
def add(a, b): raise Silent
""",
    "raises an error named after a function of the judge": """
def add(a, b): raise type("print", (Exception,), {})("pass")
""",
    "swallows asserts by a trace function": """
import sys
def trace(frame, event, argument):
    if event == "exception": frame.f_lineno += 1
    return trace
sys.settrace(trace)
def add(a, b): return -1
""",
    "returns too much": "def add(a, b): return [0] * 10**7",
    "returns text without end": "def add(a, b): return 'x' * 10**7",
    "returns what is too deep": """
def add(a, b):
    value = 3
    for _ in range(10**5): value = [value]
    return value
""",
    "writes what is too deep": PRELUDE
    + """
def add(a, b):
    os.write(4, b'{"id": "%s", "value": ' % number().encode() + b"[" * 10**5 + b"]" * 10**5 + b"}\\n")
    os._exit(0)
""",
    "returns itself within itself": "def add(a, b):\n    value = []\n    value.append(value)\n    return value",
    "returns not a number": "def add(a, b): return float('nan')",
    "writes numbers that are none": PRELUDE
    + """
def add(a, b):
    os.write(4, b'{"id": "%s", "value": NaN}\\n' % number().encode())
    os._exit(0)
""",
    "makes up a type": PRELUDE
    + """
def add(a, b):
    say(id=number(), value={"$int": "0x3"})
    os._exit(0)
""",
    "is a generator": "def add(a, b): yield a + b",
    "is asynchronous": "async def add(a, b): return a + b",
    "returns a function": "def add(a, b): return lambda: a + b",
    "is a type": "class add:\n    def __init__(self, a, b): self.sum = a + b\n    __eq__ = lambda self, other: True",
    "reads the tests from files": """
import glob
def add(a, b):
    found = [open(path).read() for path in glob.glob("/tmp/**", recursive=True) if "." in path]
    return found or __import__("sys").argv or dict(__import__("os").environ)
""",
    "finds no one to call but itself": "def __getattr__(name): return lambda *args: True\ndel __getattr__\n",
    "answers from a thread later": PRELUDE
    + """
import threading, time
def add(a, b):
    n = number()
    threading.Thread(target=lambda: (time.sleep(0.05), say(id=n, value=True)), daemon=True).start()
    return -1
""",
    "never answers": """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def add(a, b):
    while True: pass
""",
}
"""Each of them, were it honest, would define ``add(a, b)`` as the sum of two whole numbers."""

PRINTED = {
    "prints that it passes": "print('passed')",
    "prints nothing": "",
    "ends with success": "import os; os._exit(0)",
    "prints and fails": "print(int(input()) + int(input()))\nraise SystemExit(1)",
    "prints everything": "for i in range(10000): print(i)",
    "prints without end": "while True: print(3)",
    "prints to the error output": "import sys; print(int(input()) + int(input()), file=sys.stderr)",
    "prints what erases": "print('4\\b3\\r3')",
}
"""Each of them, were it honest, would print the sum of the numbers on two lines of input."""
