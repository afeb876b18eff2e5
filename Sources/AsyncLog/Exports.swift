// Types of other modules that stand in this module's interface: `import AsyncLog` is enough to use it.
@_exported import class AsyncFD.AsyncFD
@_exported import enum AsyncFD.Endpoint
@_exported import struct AsyncFD.IOError
@_exported import struct AsyncFD.Ledger
@_exported import struct SystemPackage.FilePath
@_exported import struct SystemPackage.FilePermissions
