// Merges waiting events of one key: the ids of all, in the order of arrival.
import { type Event, type Json, UnusableEvent, object, plugin } from "../sdk/hookgate.js";

export default plugin({
  config: object({}),

  fold(earlier, later) {
    return later.with({ json: { ids: [...ids(earlier), ...ids(later)] } });
  },
});

function ids(event: Event): Json[] {
  const { ids } = event.exactJson<{ ids?: Json[] }>();
  if (!Array.isArray(ids)) throw new UnusableEvent("the data has no list of ids");
  return ids;
}
