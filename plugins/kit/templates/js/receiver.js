// Takes webhooks that carry the source's secret in a header, and makes each an event.
//
// A provider that signs its requests is verified in the same place: compute what the signature
// has to be from request.body and the secret, and compare all of it.
import { InvalidConfig, accept, object, plugin, reject } from "../sdk/hookgate.js";

export default plugin({
  config: object({}),

  receiver(request) {
    if (request.secret === null) throw new InvalidConfig("the source has no secret");
    if (!isSame(request.header("x-token") ?? "", request.secret)) return reject("the token is wrong");
    const type = request.header("x-event");
    if (type === undefined) return reject("there is no x-event header");
    return accept([{ type, data: request.body, contentType: "application/json" }]);
  },
});

/**
 * Looks at every character, so that the time it takes tells nothing about the secret.
 * @param {string} given
 * @param {string} secret
 */
function isSame(given, secret) {
  let differs = given.length ^ secret.length;
  for (let i = 0; i < secret.length; i++) differs |= given.charCodeAt(i) ^ secret.charCodeAt(i);
  return differs === 0;
}
