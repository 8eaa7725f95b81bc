// Shows, by its config, everything that a plugin can answer. What each action does: ../../README.md.
import {
  AgainLater, InvalidConfig, UnusableEvent, accept, challenge, dataUrl, deliver, drop, encode, log, object, optional,
  pass, plugin, reject, replace, string,
} from "../../../sdk/js/hookgate.js";

function otherwise({ do: action, text }) {
  switch (action) {
    case "invalid-config": throw new InvalidConfig(text);
    case "unusable-event": throw new UnusableEvent(text);
    case "again-later": throw new AgainLater(text);
    default: throw new InvalidConfig(`no such action: ${action}`);
  }
}

export default plugin({
  config: object({ do: string, text: optional(string, "") }),

  transform(event, config) {
    switch (config.do) {
      case "pass": return pass();
      case "drop": return drop(config.text);
      case "replace": return replace(encode(config.text));
      case "echo": return replace(event.data);
      case "deliver": return deliver({ body: config.text, headers: { "x-one": "1", "x-two": "two words" } });
      case "describe": return replace({
        id: event.id, source: event.source, type: event.type, subject: event.subject, time_ms: event.timeMs,
        tenant: event.tenant, key: event.key, content_type: event.contentType, length: event.data.length,
        attributes: event.attributes,
      });
      case "data-url": return replace({ url: dataUrl() });
      case "log":
        for (const level of ["debug", "info", "warn", "error"]) log[level](config.text);
        return pass();
      default: return otherwise(config);
    }
  },

  filter(event, config) {
    switch (config.do) {
      case "yes": return true;
      case "no": return false;
      case "has-data": return event.data.length > 0;
      default: return otherwise(config);
    }
  },

  fold(earlier, later, config) {
    switch (config.do) {
      case "earlier": return earlier;
      case "later": return later;
      case "join": {
        const data = new Uint8Array([...earlier.data, ...later.data]);
        return later.with(config.text ? { data, contentType: config.text } : { data });
      }
      default: return otherwise(config);
    }
  },

  receiver(request, config) {
    switch (config.do) {
      case "accept": return accept([{
        type: config.text, id: request.header("X-Id"), subject: request.path, key: request.secret,
        timeMs: request.receivedMs + 1, contentType: request.header("content-type"), data: request.body,
      }]);
      case "accept-none": return accept([]);
      case "accept-two": return accept(["first", "second"].map((data) => (
        { type: config.text, contentType: "text/plain", data })));
      case "describe": return accept([{ type: "request.described", json: {
        method: request.method, path: request.path, query: request.query, headers: request.headers,
        length: request.body.length, secret: request.secret, received_ms: request.receivedMs,
      } }]);
      case "challenge": return challenge({ status: 202, contentType: "text/plain", body: request.query });
      case "reject": return reject(config.text);
      default: return otherwise(config);
    }
  },
});
