// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TRC20} from "@openzeppelin/tron-contracts/token/TRC20/TRC20.sol";

/// A token that misbehaves as it is told. Only tests use it.
contract Tokens is TRC20 {
    enum Manner { Good, Fee, Silent, False, Reenter }

    Manner public manner;
    address private _target;
    bytes private _call;
    bytes4 public answered; // the error that the target reverted with

    constructor() TRC20("Misbehaving", "BAD") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function behave(Manner manner_) external {
        manner = manner_;
    }

    /// From now on every transfer first calls the target.
    function reenter(address target, bytes calldata call_) external {
        (manner, _target, _call) = (Manner.Reenter, target, call_);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _finish(super.transfer(to, _before(msg.sender, amount)));
    }

    function transferFrom(address from, address to, uint256 amount)
        public
        override
        returns (bool)
    {
        if (manner == Manner.False) return false;
        return _finish(super.transferFrom(from, to, _before(from, amount)));
    }

    /// A tenth is burnt on the way when there is a fee.
    function _before(address from, uint256 amount) private returns (uint256) {
        if (manner == Manner.Fee) {
            _burn(from, amount / 10);
            return amount - amount / 10;
        }
        if (manner == Manner.Reenter) {
            manner = Manner.Good; // once
            (bool ok, bytes memory why) = _target.call(_call);
            answered = ok ? bytes4(0) : bytes4(why);
        }
        return amount;
    }

    function _finish(bool ok) private view returns (bool) {
        if (manner == Manner.False) return false;
        if (manner == Manner.Silent) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return ok;
    }
}
