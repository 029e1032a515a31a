"""The storm: everything at once on the same few people, then every number against every other."""
