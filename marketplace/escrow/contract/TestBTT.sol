// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TRC20} from "@openzeppelin/tron-contracts/token/TRC20/TRC20.sol";

/// @title A stand-in for BTT where no BTT exists: test networks and the devnet
/// @notice Like BTT it has 18 decimals. Unlike BTT its owner can mint.
contract TestBTT is TRC20 {
    address public immutable owner;

    error NotOwner();

    constructor() TRC20("BitTorrent Test", "BTT") {
        owner = msg.sender;
    }

    function mint(address to, uint256 amount) external {
        if (msg.sender != owner) revert NotOwner();
        _mint(to, amount);
    }
}
