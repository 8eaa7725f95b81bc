// Takes webhooks that carry the source's secret in a header, and makes each an event.
//
// A provider that signs its requests is verified in the same place: compute what the signature
// has to be from request.Body and the secret, with crypto/hmac, and compare all of it.
package main

import (
	"crypto/subtle"

	"hookgate"
)

func receive(request hookgate.Request, _ hookgate.NoConfig) (hookgate.Reception, error) {
	if request.Secret == "" {
		return hookgate.Reception{}, hookgate.InvalidConfig("the source has no secret")
	}
	// Looks at every byte, so that the time it takes tells nothing about the secret.
	token := []byte(request.Header("x-token"))
	if subtle.ConstantTimeCompare(token, []byte(request.Secret)) != 1 {
		return hookgate.Rejected("the token is wrong"), nil
	}
	eventType := request.Header("x-event")
	if eventType == "" {
		return hookgate.Rejected("there is no x-event header"), nil
	}
	return hookgate.Accepted(hookgate.Draft{Type: eventType, Data: request.Body}), nil
}

func init() { hookgate.Receiver(receive) }

func main() {}
