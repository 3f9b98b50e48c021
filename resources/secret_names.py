"""Names that say a secret: of parameters, of settings of clients, of environment variables."""

import re
from urllib.parse import unquote

_OWNERS = (
    *("access", "account", "admin", "api", "auth", "client", "consumer", "deploy", "encryption", "functions?", "hmac"),
    *("license", "master", "private", "secret", "service", "session", "shared", "signing", "ssh", "storage"),
    "subscription",
)
"""What stands before `key` where that is no key of a table or of a sort order."""
_SAID = re.compile(
    r"(?!(?:.*_)?(?:pad|bos|eos|unk|cls|sep|mask|special|stop)_?token)"  # a tokenizer's
    r".*(?:secret|passw(?:or)?d|passphrase|credentials?|signature|authorization|token|connection_?string)(?:_?\d+|_value)?"
    rf"|.*(?:{'|'.join(_OWNERS)})_?key_?(?:id|\d*)|(?:.*_)?(?:jwt|(?:set_)?cookie)"
)
_SAID_IN_ADDRESSES = re.compile(
    r"key\d?|code|ticket|(?:.*_)?(?:sig|sas|pw|pass|o?auth|creds?|pat|otp|assertion|session|\w*sess(?:ion)?_?id)|.*(?:pwd|psk|hmac)"
)
"""Short names, which mean something else in ordinary texts."""
_LONGEST = 100
"""Characters: words stand at a name's end."""
_SAID_BY_VARIABLES = re.compile(r"secret|passw|credential|token(?!iz)|key$")


def says_secret(name: str, in_address: bool = False) -> bool:
    """Whether what has this name is a secret: the name ends in a word for one (a number or `value` may follow).

    `key` is such a word after whose it is (`api_key`, `accountkey`), `key` and `code` by themselves in addresses only.
    """
    plain = _plain(name)
    return bool(_SAID.fullmatch(plain) or (in_address and _SAID_IN_ADDRESSES.fullmatch(plain)))


def variable_says_secret(name: str) -> bool:
    """Whether a variable of this name has a secret: as in addresses, or with a word for one anywhere in it."""
    return says_secret(name, in_address=True) or bool(_SAID_BY_VARIABLES.search(_plain(name)))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", unquote(name).lower()).strip("_")[-_LONGEST:]
