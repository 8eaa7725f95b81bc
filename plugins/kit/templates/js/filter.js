// Lets events of one status pass.
import { object, plugin, string } from "../sdk/hookgate.js";

export default plugin({
  // What a subscription has to set: the wanted value of the data's member `status`.
  config: object({ status: string }),

  filter(event, config) {
    return event.json().status === config.status;
  },
});
