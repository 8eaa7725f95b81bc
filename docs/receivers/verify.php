<?php
// Verifies a delivery of Hookgate (Standard Webhooks). PHP 8, nothing to install.

const TOLERANCE_SECONDS = 300;

/**
 * `$headers` by lower-case names, `$body` as it arrived: file_get_contents('php://input').
 *
 * @throws RuntimeException where it is not from Hookgate
 */
function verify(string $secret, array $headers, string $body): void
{
    $id = $headers['webhook-id'];
    $timestamp = $headers['webhook-timestamp'];
    if (abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        throw new RuntimeException('the timestamp is too old or too new');
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    $expected = base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // Several while a secret is changed; one that fits is enough.
    foreach (explode(' ', $headers['webhook-signature']) as $signature) {
        [$version, $value] = explode(',', $signature, 2) + ['', ''];
        if ($version === 'v1' && hash_equals($expected, $value)) {
            return;
        }
    }
    throw new RuntimeException('no signature fits');
}

// php verify.php SECRET ID TIMESTAMP SIGNATURE < body
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    $names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
    try {
        verify($argv[1], array_combine($names, array_slice($argv, 2, 3)), file_get_contents('php://stdin'));
    } catch (RuntimeException $refused) {
        fwrite(STDERR, $refused->getMessage() . "\n");
        exit(1);
    }
}
