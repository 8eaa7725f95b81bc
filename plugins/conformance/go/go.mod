module example.com/conformance

go 1.24

require hookgate v0.0.0

replace hookgate v0.0.0 => ../../sdk/go
