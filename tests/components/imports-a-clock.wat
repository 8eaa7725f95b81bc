;; Imports a WASI interface, as components of most toolchains do unless told otherwise.
(component
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance (export "now" (func (result u64))))))
