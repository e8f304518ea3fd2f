package escrow

import (
	"encoding/binary"
	"strconv"

	"github.com/everseed/everseed/marketplace"
)

// A Domain binds a cheque's signatures to one vault on one chain.
type Domain struct {
	ChainID uint64
	Vault   marketplace.Address
}

var (
	domainType = keccak([]byte(
		"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
	domainName    = keccak([]byte("Everseed Vault"))
	domainVersion = keccak([]byte("1"))
	chequeType    = keccak([]byte(
		"Cheque(address from,bytes32 mandate,address to,uint256 cumulative,uint64 bytes)"))
)

// Digest returns what the signers of a cheque sign (TIP-712). Addresses are in it with the 20 bytes
// that contracts see, and the chain's id with its low four bytes.
func (d Domain) Digest(c marketplace.Cheque) [32]byte {
	from, to := addressWord(c.From), addressWord(c.To)
	cumulative, bytes := c.Cumulative.Bytes32(), uintWord(c.Bytes)
	cheque := keccak(chequeType[:], from[:], c.Mandate[:], to[:], cumulative[:], bytes[:])

	return d.digest(cheque)
}

// digest binds a struct's hash to the domain.
func (d Domain) digest(message [32]byte) [32]byte {
	chain := uintWord(d.ChainID & 0xffffffff)
	vault := addressWord(d.Vault)
	domain := keccak(domainType[:], domainName[:], domainVersion[:], chain[:], vault[:])
	return keccak([]byte{0x19, 0x01}, domain[:], message[:])
}

// SignCheque signs a cheque for one vault.
func (k Key) SignCheque(d Domain, c marketplace.Cheque) (marketplace.Signature, error) {
	if err := d.check(); err != nil {
		return marketplace.Signature{}, err
	}
	return k.sign(d.Digest(c))
}

func (d Domain) check() error {
	if d.ChainID == 0 || d.Vault.IsZero() {
		return marketplace.Invalid.Errorf("a cheque is signed for a vault on a chain, and one of" +
			" them is missing")
	}
	return nil
}

// RecoverCheque returns who signed a cheque. It says nothing of whether the signer may.
func RecoverCheque(
	d Domain, c marketplace.Cheque, s marketplace.Signature,
) (marketplace.Address, error) {
	return recoverSigner(d.Digest(c), s)
}

// SignText signs a text as TRON wallets do (TIP-191), for sign-in and for auditors' reports.
func (k Key) SignText(text string) (marketplace.Signature, error) {
	return k.sign(textDigest(text))
}

// RecoverText returns who signed a text.
func RecoverText(text string, s marketplace.Signature) (marketplace.Address, error) {
	return recoverSigner(textDigest(text), s)
}

func textDigest(text string) [32]byte {
	return keccak([]byte("\x19TRON Signed Message:\n"+strconv.Itoa(len(text))), []byte(text))
}

func uintWord(n uint64) (w [32]byte) {
	binary.BigEndian.PutUint64(w[24:], n)
	return w
}

func addressWord(a marketplace.Address) (w [32]byte) {
	copy(w[12:], a[:])
	return w
}
