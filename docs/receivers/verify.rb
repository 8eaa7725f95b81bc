# Verifies a delivery of Hookgate (Standard Webhooks). Ruby 2.7, the standard library alone.
require "openssl"

TOLERANCE_SECONDS = 300

# `headers` by lower-case names, `body` as it arrived, byte for byte. Raises where it is not from Hookgate.
def verify(secret, headers, body)
  id, timestamp = headers.fetch("webhook-id"), headers.fetch("webhook-timestamp")
  raise "the timestamp is too old or too new" if (Time.now.to_i - Integer(timestamp, 10)).abs > TOLERANCE_SECONDS

  key = secret.delete_prefix("whsec_").unpack1("m0")
  signed = "#{id}.#{timestamp}.".b + body.b
  expected = [OpenSSL::HMAC.digest("SHA256", key, signed)].pack("m0")
  # Several while a secret is changed; one that fits is enough.
  fits = headers.fetch("webhook-signature").split(" ").any? do |signature|
    version, value = signature.split(",", 2)
    version == "v1" && OpenSSL.secure_compare(value.to_s, expected)
  end
  raise "no signature fits" unless fits
end

# ruby verify.rb SECRET ID TIMESTAMP SIGNATURE < body
if $PROGRAM_NAME == __FILE__
  names = %w[webhook-id webhook-timestamp webhook-signature]
  verify(ARGV[0], names.zip(ARGV[1..]).to_h, $stdin.binmode.read)
end
