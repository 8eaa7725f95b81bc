module example.com/{{name}}

go 1.24

require hookgate v0.0.0

// The SDK comes with the project.
replace hookgate v0.0.0 => ./sdk
