;; Was built for a contract that this host does not speak yet.
(component
  (import "hookgate:plugin/host@1.4.0" (instance (export "config" (func (result string))))))
