//! The gateway's side of the plugin host: registry, folder, pipeline.
