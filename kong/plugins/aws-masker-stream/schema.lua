local typedefs = require "kong.db.schema.typedefs"

return {
  name = "aws-masker-stream",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = {} } },
  },
}
