"""Study protocols and site rules as TOML with sources: the files, their schema and their loader."""

from nebctl.core.faults import Fault
from nebctl_protocols.library import builtin, default_site_rules, names
from nebctl_protocols.load import load, read_backs
from nebctl_protocols.protocol import Masking, Note, Source, Status, StudyProtocol, UnknownArmError
from nebctl_protocols.site import load_site_rules
from nebctl_protocols.study import load_protocol

__all__ = [
    "Fault",
    "Masking",
    "Note",
    "Source",
    "Status",
    "StudyProtocol",
    "UnknownArmError",
    "builtin",
    "default_site_rules",
    "load",
    "load_protocol",
    "load_site_rules",
    "names",
    "read_backs",
]
