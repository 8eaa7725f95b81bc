// Merges waiting events of one key: the ids of all, in the order of arrival.
import { UnusableEvent, object, plugin } from "../sdk/hookgate.js";

export default plugin({
  config: object({}),

  fold(earlier, later) {
    return later.with({ json: { ids: [...ids(earlier), ...ids(later)] } });
  },
});

/** @param {import("../sdk/hookgate.js").Event} event */
function ids(event) {
  const { ids } = event.exactJson();
  if (!Array.isArray(ids)) throw new UnusableEvent("the data has no list of ids");
  return ids;
}
