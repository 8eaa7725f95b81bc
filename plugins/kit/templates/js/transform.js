// Tells the receiver what happened to which id, and nothing else.
import { drop, object, optional, plugin, replace, string } from "../sdk/hookgate.js";

export default plugin({
  // What a subscription may set: a note that goes with every message.
  config: object({ note: optional(string) }),

  transform(event, config) {
    // exactJson keeps every digit of a number: 42.0 stays 42.0.
    const { id } = event.exactJson();
    if (id === undefined) return drop("the data has no id");
    return replace({ type: event.type, id, note: config.note });
  },
});
