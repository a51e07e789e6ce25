"""Lets segkit and its tests see Windows on Linux, in every Python whose PYTHONPATH has this folder.

What segkit, its plugins and its tests import or call is replaced, what other libraries do is not. Not
imitated: drive letters and backslashes, file systems that ignore case, consoles, files of other processes.
"""

from __future__ import annotations

import builtins
import errno
import io
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from types import ModuleType
from typing import Any

_OURS = ("segkit", "tests")
_NO_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
_NO_OS = (
    "chown", "chroot", "confstr", "ctermid", "fchdir", "fchmod", "fchown", "fdatasync", "fork", "forkpty",
    "fstatvfs", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp",
    "getpriority", "getsid", "getuid", "killpg", "lchown", "mkfifo", "mknod", "nice", "openpty",
    "pathconf", "posix_fadvise", "posix_fallocate", "posix_spawn", "pread", "preadv", "pwrite", "pwritev",
    "readv", "register_at_fork", "sched_getaffinity", "sched_setaffinity", "sched_yield", "sendfile",
    "setgid", "setpgid", "setsid", "setuid", "statvfs", "sync", "sysconf", "ttyname", "uname", "wait",
    "wait3", "wait4", "waitid", "writev", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK",
    "O_SYNC",
)  # fmt: skip
_SIGNALS = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIG_DFL", "SIG_IGN")
_NO_SIGNAL = tuple(
    name
    for name in dir(signal)
    if (name.startswith(("SIG", "ITIMER")) and name[3:4] != "n" and name not in (*_SIGNALS, "Signals"))
    or name in ("alarm", "pause", "setitimer", "getitimer", "siginterrupt", "pthread_kill", "pthread_sigmask")
    or name in ("sigpending", "sigtimedwait", "sigwait", "sigwaitinfo")
)
_NO_POPEN = ("pass_fds", "preexec_fn", "process_group", "start_new_session", "umask", "user")
_NEW_GROUP = 0x200
_BREAK = signal.SIGUSR1  # carries Ctrl-Break
_WRITING = os.O_WRONLY | os.O_RDWR
_MAX_PATH = 260
_BAD_NAME = re.compile(
    r'(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[<>:"|?*\\\x00-\x1f].*|.*[^.][. ]|[. ]*[ ][. ]*', re.DOTALL
)

# Bound here: tests replace what they count or let fail.
_real_import, _real_open, _abspath = builtins.__import__, io.open, os.path.abspath
_real = {name: getattr(os, name) for name in ("fsync", "kill", "mkdir", "open", "remove", "rename", "replace",
                                              "symlink", "unlink")}  # fmt: skip


class _Seen:
    """A module as it is on Windows; what is set in it is set in the real one."""

    __slots__ = ("_absent", "_other", "_real")

    def __init__(self, real: ModuleType, absent: tuple[str, ...] = (), **other: Any) -> None:
        for name, value in {"_real": real, "_absent": absent, "_other": other}.items():
            object.__setattr__(self, name, value)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        return {**vars(self._real), **self._other}

    def __getattr__(self, name: str) -> Any:
        if name in self._absent:
            raise AttributeError(f"module {self._real.__name__!r} has no attribute {name!r} on Windows")
        return self._other[name] if name in self._other else getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._other:
            self._other[name] = value
        else:
            setattr(self._real, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._real, name)


class _Popen(subprocess.Popen):  # type: ignore[type-arg]
    def __init__(self, *arguments: Any, creationflags: int = 0, **options: Any) -> None:
        group = {"process_group": 0} if creationflags & _NEW_GROUP else {}
        super().__init__(*arguments, **_possible(options), **group)

    def send_signal(self, number: int) -> None:
        super().send_signal(_BREAK if number == _BREAK else signal.SIGKILL)  # TerminateProcess


def _run(*arguments: Any, **options: Any) -> Any:
    return subprocess.run(*arguments, **_possible(options))


def _possible(options: dict[str, Any]) -> dict[str, Any]:
    if used := [name for name in _NO_POPEN if options.get(name)]:
        raise ValueError(f"{used[0]} is not supported on Windows platforms")
    return options


def _psutil() -> Any:
    import psutil

    class Process(psutil.Process):
        def memory_info(self) -> Any:
            with _real_open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
                peak = re.search(r"VmHWM:\s+(\d+)", status.read())
            assert peak
            known = super().memory_info()
            return type("pmem", (), {**known._asdict(), "peak_wset": int(peak[1]) * 1024})()

    return _Seen(psutil, Process=Process)


def _filelock() -> Any:
    import filelock

    class FileLock(filelock.FileLock):
        def _release(self) -> None:
            super()._release()
            _real["unlink"](self.lock_file)

    return _Seen(filelock, FileLock=FileLock)


_LATER = {"psutil": _psutil, "filelock": _filelock}
_modules = {
    "os": _Seen(os, _NO_OS, name="nt"),
    "signal": _Seen(signal, _NO_SIGNAL, SIGBREAK=_BREAK, CTRL_BREAK_EVENT=_BREAK, CTRL_C_EVENT=signal.SIGINT),
    "subprocess": _Seen(subprocess, Popen=_Popen, run=_run, CREATE_NEW_PROCESS_GROUP=_NEW_GROUP),
    "sys": _Seen(sys, platform="win32"),
}


def _import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    if level or not _is_ours(globals or {}):
        return _real_import(name, globals, locals, fromlist, level)
    if name in _NO_MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    if name in _LATER and name not in _modules:
        _modules[name] = _LATER[name]()
    module = _real_import(name, globals, locals, fromlist, level)
    return _modules.get(module.__name__, module)


def _is_ours(globals: dict[str, Any]) -> bool:
    return str(globals.get("__name__")).partition(".")[0].startswith(_OURS)


def _by_us() -> bool:
    """Whether the call comes from our code, directly or through the standard library."""
    frame = sys._getframe(2)
    while frame and (
        frame.f_globals is globals()
        or str(frame.f_globals.get("__name__")).partition(".")[0] in sys.stdlib_module_names
    ):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and _is_ours(frame.f_globals)


def _refused(number: int, words: str, path: Any, code: int) -> OSError:
    error = OSError(number, words, os.fspath(path))
    error.winerror = code  # type: ignore[attr-defined]
    return error


def _check_name(path: Any) -> None:
    if isinstance(path, int):
        return
    place = os.fsdecode(_abspath(path))
    if len(place) >= _MAX_PATH:
        raise _refused(errno.ENOENT, "The system cannot find the path specified", path, 3)
    if any(_BAD_NAME.fullmatch(part) for part in place.split("/")):
        words = "The filename, directory name, or volume label syntax is incorrect"
        raise _refused(errno.EINVAL, words, path, 123)


def _check_unused(path: Any, folder: int | None = None) -> None:
    place = os.fsdecode(path) if folder is None else f"/proc/self/fd/{folder}/{os.fsdecode(path)}"
    try:
        status = os.lstat(place)
    except OSError:
        return
    real = os.path.realpath(place)
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            opened = os.stat(f"/proc/self/fd/{descriptor}")
            name = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue
        if os.path.samestat(status, opened) or name.startswith(f"{real}/"):
            break
    else:
        with _real_open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            maps = file.read()
        if f" {real}\n" not in maps and f" {real}/" not in maps:
            return
    words = "The process cannot access the file because it is being used by another process"
    raise _refused(errno.EACCES, words, path, 32)


def _moving(name: str) -> Any:
    def move(source: Any, target: Any, **options: Any) -> None:
        if _by_us():
            if name == "rename" and os.path.lexists(target):
                raise _refused(errno.EEXIST, "the file exists", target, 183)
            _check_name(target)
            _check_unused(source)
            _check_unused(target)
        _real[name](source, target, **options)

    return move


def _unlink(path: Any, *, dir_fd: int | None = None) -> None:
    if _by_us():
        _check_unused(path, dir_fd)
    _real["unlink"](path, dir_fd=dir_fd)


def _mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    if _by_us():
        _check_name(path)
    _real["mkdir"](path, mode, dir_fd=dir_fd)


def _open_descriptor(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if _by_us() and dir_fd is None:
        if os.path.isdir(path):
            raise _refused(errno.EACCES, "Permission denied", path, 5)
        if flags & os.O_CREAT:
            _check_name(path)
    return int(_real["open"](path, flags, mode, dir_fd=dir_fd))


def _fsync(file: Any) -> None:
    if _by_us():
        descriptor = file if isinstance(file, int) else file.fileno()
        with _real_open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as info:
            flags = re.search(r"flags:\s+(\d+)", info.read())
        if flags and not int(flags[1], 8) & _WRITING:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    _real["fsync"](file)


def _kill(process: int, number: int) -> None:
    if number != _BREAK and _is_ours(sys._getframe(1).f_globals):
        raise RuntimeError("on Windows os.kill ends the process at once, with any signal")
    _real["kill"](process, number)


def _symlink(source: Any, target: Any, *arguments: Any, **options: Any) -> None:
    if _by_us():
        raise _refused(errno.EINVAL, "A required privilege is not held by the client", target, 1314)
    _real["symlink"](source, target, *arguments, **options)


def _open(
    file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
    newline: str | None = None, closefd: bool = True, opener: Any = None,
) -> Any:  # fmt: skip
    if _by_us():
        if not isinstance(file, int) and os.path.isdir(file):
            raise _refused(errno.EACCES, "Permission denied", file, 5)
        if not mode.startswith("r"):
            _check_name(file)
        if "b" not in mode:
            encoding = "cp1252" if encoding in (None, "locale") else encoding
            if newline is None and not mode.startswith("r") and "+" not in mode:
                newline = "\r\n"
    return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)


def _block() -> None:
    os.replace, os.rename = _moving("replace"), _moving("rename")
    os.unlink = os.remove = _unlink
    os.mkdir, os.open, os.fsync, os.kill, os.symlink = _mkdir, _open_descriptor, _fsync, _kill, _symlink
    builtins.open = io.open = _open
    builtins.__import__ = _import
    multiprocessing.set_start_method("spawn")


_block()
