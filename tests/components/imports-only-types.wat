;; Imports an interface that holds nothing but a type. It exports nothing, so it is
;; refused for that and for nothing earlier.
(component
  (import "example:shapes/types@0.1.0" (instance
    (type $point (record (field "x" u32) (field "y" u32)))
    (export "point" (type (eq $point))))))
