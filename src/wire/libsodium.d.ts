/** The part of libsodium's WebAssembly module that is used: the package gives C's functions and their memory. */
declare module 'libsodium' {
  /** Pointers and lengths are offsets and sizes in `HEAPU8`; a length of 64 bits is two numbers, the low half first. */
  export interface Sodium {
    /** Taken anew for each use: the memory may grow. */
    readonly HEAPU8: Uint8Array
    _malloc(bytes: number): number
    _crypto_aead_chacha20poly1305_ietf_encrypt(
      sealed: number,
      sealedLength: 0,
      message: number,
      messageLow: number,
      messageHigh: 0,
      associated: number,
      associatedLow: number,
      associatedHigh: 0,
      noSecretNonce: 0,
      nonce: number,
      key: number,
    ): number
    /** 0 where the tag is right. */
    _crypto_aead_chacha20poly1305_ietf_decrypt(
      message: number,
      messageLength: 0,
      noSecretNonce: 0,
      sealed: number,
      sealedLow: number,
      sealedHigh: 0,
      associated: number,
      associatedLow: number,
      associatedHigh: 0,
      nonce: number,
      key: number,
    ): number
    /** HMAC-SHA256 of the input under the salt: 32 bytes. */
    _crypto_kdf_hkdf_sha256_extract(
      digest: number,
      salt: number,
      saltLength: number,
      input: number,
      inputLength: number,
    ): number
    /** The same in steps. The state is nothing but these bytes, and may be copied. */
    _crypto_kdf_hkdf_sha256_statebytes(): number
    _crypto_kdf_hkdf_sha256_extract_init(state: number, salt: number, saltLength: number): number
    _crypto_kdf_hkdf_sha256_extract_update(state: number, input: number, inputLength: number): number
    _crypto_kdf_hkdf_sha256_extract_final(state: number, digest: number): number
  }

  /** Compiles the module. Rejects where there is no WebAssembly. */
  const open: () => Promise<Sodium>
  export default open
}
