// The types that a program needs to set the backend up, so that one import is enough. Not all of AsyncLog: both modules
// have a type `Logger`.
@_exported import class AsyncFD.AsyncFD
@_exported import class AsyncLog.Handler
@_exported import class AsyncLog.StreamHandler
@_exported import enum AsyncLog.Privacy
@_exported import struct AsyncLog.ConsoleFormatter
@_exported import struct AsyncLog.Directives
@_exported import struct AsyncLog.JSONFormatter
@_exported import struct AsyncLog.LogfmtFormatter
@_exported import struct AsyncLog.Overflow
@_exported import struct AsyncLog.TextFormatter
@_exported import struct AsyncLog.TextPattern
