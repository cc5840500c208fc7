import '../shared/tokens.css';
import '../shared/base.css';
import '../shared/frames.css';
import '../ai-stream/ai.css';
import { render } from 'preact';
import { AiPage } from '../ai-stream/AiPage';
import { AiClient } from '../ai-stream/client';
import { Account } from '../shared/account';
import { askHealth } from '../shared/health';
import { tabStore } from '../shared/storage';

const app = document.getElementById('app')!;
app.textContent = '';
render(<AiPage client={new AiClient()} account={new Account(tabStore())} />, app);
void askHealth();
