import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { startLive } from "./live";
import { newQueries } from "./queries";
import "./style/page.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

const queries = newQueries();
startLive(queries);
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
