// Lets events of one status pass.
import { object, plugin, string } from "../sdk/hookgate.js";

interface Data {
  status?: string;
}

export default plugin({
  // What a subscription has to set: the wanted value of the data's member `status`.
  config: object({ status: string }),

  filter(event, config) {
    return event.json<Data>().status === config.status;
  },
});
