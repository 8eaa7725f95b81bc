;; Exports a filter that takes a text where the contract has an event.
(component
  (core module $module
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func (export "accepts") (param i32 i32) (result i32) (i32.const 1)))
  (core instance $instance (instantiate $module))
  (func $accepts (param "event" string) (result bool)
    (canon lift (core func $instance "accepts")
      (memory $instance "memory") (realloc (func $instance "realloc"))))
  (instance $filter (export "accepts" (func $accepts)))
  (export "hookgate:plugin/filter@1.0.0" (instance $filter)))
